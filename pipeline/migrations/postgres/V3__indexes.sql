-- What the booking system looks up. It never asks for tickets by the moment they were issued, so tickets.issued_at
-- has no index here; whoever reports from this database by period will want one.

create index tickets_booking_id_idx on tickets (booking_id);
create index tickets_trip_id_idx on tickets (trip_id);
create index tickets_passenger_id_idx on tickets (passenger_id);
create index payments_booking_id_idx on payments (booking_id);
create index bookings_user_id_idx on bookings (user_id);
create index bookings_status_idx on bookings (status);
create index trips_service_date_route_id_idx on trips (service_date, route_id);
