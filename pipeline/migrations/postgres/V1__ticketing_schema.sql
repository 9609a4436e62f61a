-- The tables of the ticketing database, PostgreSQL 15. Keys and references follow in V2, indexes in V3: a bulk load
-- between V1 and V2 builds each index once instead of growing it row by row.
--
-- Amounts are numeric(12,2) beside a char(3) currency. Instants are timestamptz. Dates and times of a trip are the
-- wall clock of the station.

create type ticket_status as enum ('reserved', 'issued', 'checked_in', 'cancelled', 'refunded');
create type booking_status as enum ('pending', 'confirmed', 'cancelled', 'failed');
create type payment_status as enum ('pending', 'completed', 'failed', 'refunded');
create type seat_class as enum ('economy', 'standard', 'first', 'business');
create type carriage_type as enum ('coach', 'sleeper', 'dining', 'cargo');
create type doc_type as enum ('id_card', 'passport', 'other');
create type fare_refund_policy as enum ('non_refundable', 'partially_refundable', 'fully_refundable');

create table stations (
    id uuid not null,
    code text not null,
    name text not null,
    city text not null,
    region text,
    country text not null,
    latitude numeric(9, 6),
    longitude numeric(9, 6),
    timezone text not null  -- an IANA name
);

create table routes (
    id uuid not null,
    code text not null,
    name text not null,
    notes text
);

create table fares (
    id uuid not null,
    code text not null,
    name text not null,
    price numeric(10, 2) not null,
    currency char(3) not null default 'EUR',
    seat_class seat_class not null,
    refundable boolean not null,
    refund_policy fare_refund_policy not null,
    valid_from date,
    valid_until date
);

create table trains (
    id uuid not null,
    registration text not null,
    model text,
    operator text,
    capacity integer not null
);

create table carriages (
    id uuid not null,
    train_id uuid not null,
    carriage_number integer not null,
    carriage_type carriage_type not null,
    capacity integer not null
);

create table seats (
    id uuid not null,
    carriage_id uuid not null,
    seat_number text not null,
    seat_class seat_class not null,
    position text,
    is_accessible boolean not null default false
);

create table trips (
    id uuid not null,
    route_id uuid not null,
    train_id uuid,
    service_date date not null,
    departure_time time not null,
    arrival_time time not null,  -- before the departure: on the next day
    departure_station_id uuid not null,
    arrival_station_id uuid not null,
    status text not null,
    created_at timestamptz not null default now()
);

create table passengers (
    id uuid not null,
    user_id uuid,
    first_name text not null,
    last_name text not null,
    date_of_birth date,
    doc_type doc_type,
    doc_number text,
    email text,
    phone text,
    created_at timestamptz not null default now()
);

create table bookings (
    id uuid not null,
    user_id uuid,
    booking_ref text not null,
    status booking_status not null,
    total_amount numeric(12, 2) not null,
    currency char(3) not null default 'EUR',
    created_at timestamptz not null default now(),
    expires_at timestamptz
);

create table tickets (
    id uuid not null,
    booking_id uuid,
    passenger_id uuid,
    trip_id uuid not null,
    fare_id uuid,
    seat_id uuid,
    ticket_ref text not null,
    price numeric(12, 2) not null,
    currency char(3) not null default 'EUR',
    status ticket_status not null,
    issued_at timestamptz not null default now(),
    cancelled_at timestamptz,
    checked_in_at timestamptz,
    notes text
);

create table payments (
    id uuid not null,
    booking_id uuid not null,
    amount numeric(12, 2) not null,
    currency char(3) not null default 'EUR',
    method text not null,
    provider_reference text,
    status payment_status not null,
    paid_at timestamptz,
    created_at timestamptz not null default now()
);

create table ticket_refunds (
    id uuid not null,
    ticket_id uuid not null,
    refunded_amount numeric(12, 2) not null,
    currency char(3) not null default 'EUR',
    processed_at timestamptz not null default now(),
    reason text
);
