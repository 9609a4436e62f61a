-- Natural keys, and what the booking system looks up. It never asks for tickets by the moment they were issued, so
-- tickets.issued_at has no index here; whoever reports from this database by period will want one.

create unique index stations_code_key on stations (code);
create unique index routes_code_key on routes (code);
create unique index fares_code_key on fares (code);
create unique index trains_registration_key on trains (registration);
create unique index trips_route_id_service_date_key on trips (route_id, service_date);
create unique index bookings_booking_ref_key on bookings (booking_ref);
create unique index tickets_ticket_ref_key on tickets (ticket_ref);
create unique index tickets_trip_id_seat_id_key on tickets (trip_id, seat_id);

create index tickets_booking_id_idx on tickets (booking_id);
create index tickets_trip_id_idx on tickets (trip_id);
create index tickets_passenger_id_idx on tickets (passenger_id);
create index payments_booking_id_idx on payments (booking_id);
create index bookings_user_id_idx on bookings (user_id);
create index bookings_status_idx on bookings (status);
create index trips_service_date_route_id_idx on trips (service_date, route_id);
