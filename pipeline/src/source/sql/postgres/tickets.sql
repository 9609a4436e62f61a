-- One row for each ticket issued in the period, with what stands around it. Every join is an outer one: a ticket is
-- never lost because something beside it is missing; without its trip or route the report refuses it by name.
-- Payments and refunds are aggregated once, and only those of the period's bookings and tickets. Most bookings have
-- one payment, in their own currency: what the others need is looked up for them alone. What belongs to a trip or a
-- seat is put together once for each of them, not for each ticket.
WITH paid AS (
    SELECT
        p.booking_id,
        count(*) AS payments,
        sum(p.amount) FILTER (WHERE p.status = 'completed') AS completed,
        min(p.currency) AS lowest_currency,
        max(p.currency) AS highest_currency,
        min(p.status) AS only_status,
        min(p.method) AS only_method
    FROM payments p
    WHERE p.booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= {start} AND issued_at < {end})
    GROUP BY p.booking_id
), refunded AS (
    SELECT
        r.ticket_id,
        coalesce(sum(r.refunded_amount) FILTER (WHERE r.currency = t.currency), 0) AS refunded_amount
    FROM ticket_refunds r
    JOIN tickets t ON t.id = r.ticket_id
    WHERE t.issued_at >= {start} AND t.issued_at < {end}
    GROUP BY r.ticket_id
), trip AS MATERIALIZED (
    SELECT
        tr.id,
        tr.service_date,
        tr.departure_time,
        tr.arrival_time,
        tr.status,
        ds.code AS departure_station_code,
        ds.name AS departure_station_name,
        ars.code AS arrival_station_code,
        ars.name AS arrival_station_name,
        r.code AS route_code,
        tn.registration AS train_registration
    FROM trips tr
    LEFT JOIN routes r ON r.id = tr.route_id
    LEFT JOIN stations ds ON ds.id = tr.departure_station_id
    LEFT JOIN stations ars ON ars.id = tr.arrival_station_id
    LEFT JOIN trains tn ON tn.id = tr.train_id
), seat AS MATERIALIZED (
    SELECT s.id, s.seat_number, c.carriage_number
    FROM seats s
    LEFT JOIN carriages c ON c.id = s.carriage_id
)
SELECT
    t.ticket_ref::text AS ticket_ref,
    t.status AS ticket_status,
    t.price AS ticket_price,
    t.currency::text AS ticket_currency,
    t.issued_at,
    b.booking_ref::text AS booking_ref,
    b.status AS booking_status,
    b.total_amount AS booking_total_amount,
    b.currency::text AS booking_currency,
    CASE
        WHEN paid.lowest_currency = b.currency AND paid.highest_currency = b.currency THEN coalesce(paid.completed, 0)
        WHEN paid.payments > 0 THEN (
            SELECT coalesce(sum(p.amount), 0)
            FROM payments p
            WHERE p.booking_id = b.id AND p.status = 'completed' AND p.currency = b.currency
        )
    END AS paid_amount,
    CASE
        WHEN paid.payments = 1 THEN paid.only_status
        WHEN paid.payments > 1 THEN (
            SELECT p.status
            FROM payments p
            WHERE p.booking_id = b.id
            ORDER BY coalesce(p.paid_at, p.created_at) DESC, p.id DESC
            LIMIT 1
        )
    END AS latest_payment_status,
    p.first_name::text AS passenger_first_name,
    p.last_name::text AS passenger_last_name,
    p.doc_type AS passenger_doc_type,
    tr.service_date,
    tr.departure_time,
    tr.arrival_time,
    tr.departure_station_code::text AS departure_station_code,
    tr.arrival_station_code::text AS arrival_station_code,
    tr.route_code::text AS route_code,
    f.code::text AS fare_code,
    f.seat_class AS fare_seat_class,
    s.seat_number::text AS seat_number,
    s.carriage_number::bigint AS carriage_number,
    tr.train_registration::text AS train_registration,
    CASE
        WHEN paid.payments = 1 THEN paid.only_method
        WHEN paid.payments > 1 THEN (
            SELECT p.method
            FROM payments p
            WHERE p.booking_id = b.id
            ORDER BY coalesce(p.paid_at, p.created_at) DESC, p.id DESC
            LIMIT 1
        )
    END AS payment_method,
    refunded.refunded_amount,
    tr.departure_station_name::text AS departure_station_name,
    tr.arrival_station_name::text AS arrival_station_name,
    tr.status::text AS trip_status,
    t.id AS ticket_id,
    t.booking_id,
    t.passenger_id,
    t.trip_id
FROM tickets t
LEFT JOIN bookings b ON b.id = t.booking_id
LEFT JOIN paid ON paid.booking_id = t.booking_id
LEFT JOIN refunded ON refunded.ticket_id = t.id
LEFT JOIN passengers p ON p.id = t.passenger_id
LEFT JOIN trip tr ON tr.id = t.trip_id
LEFT JOIN fares f ON f.id = t.fare_id
LEFT JOIN seat s ON s.id = t.seat_id
WHERE t.issued_at >= {start} AND t.issued_at < {end}
ORDER BY tr.service_date NULLS LAST, tr.departure_time NULLS LAST, t.ticket_ref COLLATE "C"
