-- The tables of the ticketing database, SQLite. How each thing is represented:
--
--   uuid       TEXT, 36 characters, lower case
--   instant    INTEGER, microseconds since 1970-01-01 00:00 UTC
--   amount     INTEGER, hundredths of the currency beside it (cents)
--   date       DATE, holding the text YYYY-MM-DD
--   time       TIME, holding the text HH:MM:SS, the wall clock of the station
--   enum       TEXT with a CHECK
--   yes or no  BOOLEAN, holding 0 or 1
--   degrees    REAL
--
-- The tables are not STRICT, because STRICT tables know neither DATE nor TIME nor BOOLEAN.

create table stations (
    id text not null primary key,
    code text not null,
    name text not null,
    city text not null,
    region text,
    country text not null,
    latitude real,
    longitude real,
    timezone text not null  -- an IANA name
);

create table routes (
    id text not null primary key,
    code text not null,
    name text not null,
    notes text
);

create table fares (
    id text not null primary key,
    code text not null,
    name text not null,
    price integer not null,
    currency text not null default 'EUR',
    seat_class text not null check (seat_class in ('economy', 'standard', 'first', 'business')),
    refundable boolean not null,
    refund_policy text not null
        check (refund_policy in ('non_refundable', 'partially_refundable', 'fully_refundable')),
    valid_from date,
    valid_until date
);

create table trains (
    id text not null primary key,
    registration text not null,
    model text,
    operator text,
    capacity integer not null
);

create table carriages (
    id text not null primary key,
    train_id text not null references trains on delete cascade,
    carriage_number integer not null,
    carriage_type text not null check (carriage_type in ('coach', 'sleeper', 'dining', 'cargo')),
    capacity integer not null
);

create table seats (
    id text not null primary key,
    carriage_id text not null references carriages on delete cascade,
    seat_number text not null,
    seat_class text not null check (seat_class in ('economy', 'standard', 'first', 'business')),
    position text,
    is_accessible boolean not null default false
);

create table trips (
    id text not null primary key,
    route_id text not null references routes,
    train_id text references trains on delete set null,
    service_date date not null,
    departure_time time not null,
    arrival_time time not null,  -- before the departure: on the next day
    departure_station_id text not null references stations,
    arrival_station_id text not null references stations,
    status text not null,
    created_at integer not null
);

create table passengers (
    id text not null primary key,
    user_id text,
    first_name text not null,
    last_name text not null,
    date_of_birth date,
    doc_type text check (doc_type in ('id_card', 'passport', 'other')),
    doc_number text,
    email text,
    phone text,
    created_at integer not null
);

create table bookings (
    id text not null primary key,
    user_id text,
    booking_ref text not null,
    status text not null check (status in ('pending', 'confirmed', 'cancelled', 'failed')),
    total_amount integer not null,
    currency text not null default 'EUR',
    created_at integer not null,
    expires_at integer
);

create table tickets (
    id text not null primary key,
    booking_id text references bookings on delete set null,
    passenger_id text references passengers on delete set null,
    trip_id text not null references trips,
    fare_id text references fares on delete set null,
    seat_id text references seats on delete set null,
    ticket_ref text not null,
    price integer not null,
    currency text not null default 'EUR',
    status text not null check (status in ('reserved', 'issued', 'checked_in', 'cancelled', 'refunded')),
    issued_at integer not null,
    cancelled_at integer,
    checked_in_at integer,
    notes text
);

create table payments (
    id text not null primary key,
    booking_id text not null references bookings on delete cascade,
    amount integer not null,
    currency text not null default 'EUR',
    method text not null,
    provider_reference text,
    status text not null check (status in ('pending', 'completed', 'failed', 'refunded')),
    paid_at integer,
    created_at integer not null
);

create table ticket_refunds (
    id text not null primary key,
    ticket_id text not null references tickets on delete cascade,
    refunded_amount integer not null,
    currency text not null default 'EUR',
    processed_at integer not null,
    reason text
);
