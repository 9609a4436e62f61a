-- Primary keys, natural keys and references.

alter table stations add primary key (id), add unique (code);
alter table routes add primary key (id), add unique (code);
alter table fares add primary key (id), add unique (code);
alter table trains add primary key (id), add unique (registration);
alter table carriages add primary key (id);
alter table seats add primary key (id);
alter table trips add primary key (id), add unique (route_id, service_date);
alter table passengers add primary key (id);
alter table bookings add primary key (id), add unique (booking_ref);
alter table tickets add primary key (id), add unique (ticket_ref), add unique (trip_id, seat_id);
alter table payments add primary key (id);
alter table ticket_refunds add primary key (id);

alter table carriages
    add foreign key (train_id) references trains on delete cascade;

alter table seats
    add foreign key (carriage_id) references carriages on delete cascade;

alter table trips
    add foreign key (route_id) references routes,
    add foreign key (train_id) references trains on delete set null,
    add foreign key (departure_station_id) references stations,
    add foreign key (arrival_station_id) references stations;

alter table tickets
    add foreign key (booking_id) references bookings on delete set null,
    add foreign key (passenger_id) references passengers on delete set null,
    add foreign key (trip_id) references trips,
    add foreign key (fare_id) references fares on delete set null,
    add foreign key (seat_id) references seats on delete set null;

alter table payments
    add foreign key (booking_id) references bookings on delete cascade;

alter table ticket_refunds
    add foreign key (ticket_id) references tickets on delete cascade;
