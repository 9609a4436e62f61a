-- One row for each ticket issued in the period, with what stands around it. Every join is an outer one: a ticket is
-- never lost because something beside it is missing; without its trip or route the report refuses it by name. A
-- booking's payments are looked up by their index, for each of its tickets; joined as a table of their own they
-- would be searched from end to end.
WITH refunded AS (
    SELECT
        r.ticket_id,
        coalesce(sum(r.refunded_amount) FILTER (WHERE r.currency = t.currency), 0) AS refunded_amount
    FROM ticket_refunds r
    JOIN tickets t ON t.id = r.ticket_id
    WHERE t.issued_at >= {start} AND t.issued_at < {end}
    GROUP BY r.ticket_id
)
SELECT
    t.ticket_ref AS ticket_ref,
    t.status AS ticket_status,
    t.price AS ticket_price,
    t.currency AS ticket_currency,
    t.issued_at,
    b.booking_ref AS booking_ref,
    b.status AS booking_status,
    b.total_amount AS booking_total_amount,
    b.currency AS booking_currency,
    (
        SELECT coalesce(sum(p.amount) FILTER (WHERE p.status = 'completed' AND p.currency = b.currency), 0)
        FROM payments p
        WHERE p.booking_id = b.id
        HAVING count(*) > 0
    ) AS paid_amount,
    (
        SELECT p.status
        FROM payments p
        WHERE p.booking_id = b.id
        ORDER BY coalesce(p.paid_at, p.created_at) DESC, p.id DESC
        LIMIT 1
    ) AS latest_payment_status,
    p.first_name AS passenger_first_name,
    p.last_name AS passenger_last_name,
    p.doc_type AS passenger_doc_type,
    tr.service_date,
    tr.departure_time,
    tr.arrival_time,
    ds.code AS departure_station_code,
    ars.code AS arrival_station_code,
    r.code AS route_code,
    f.code AS fare_code,
    f.seat_class AS fare_seat_class,
    s.seat_number AS seat_number,
    c.carriage_number AS carriage_number,
    tn.registration AS train_registration,
    (
        SELECT p.method
        FROM payments p
        WHERE p.booking_id = b.id
        ORDER BY coalesce(p.paid_at, p.created_at) DESC, p.id DESC
        LIMIT 1
    ) AS payment_method,
    refunded.refunded_amount,
    ds.name AS departure_station_name,
    ars.name AS arrival_station_name,
    tr.status AS trip_status,
    t.id AS ticket_id,
    t.booking_id,
    t.passenger_id,
    t.trip_id
FROM tickets t
LEFT JOIN bookings b ON b.id = t.booking_id
LEFT JOIN refunded ON refunded.ticket_id = t.id
LEFT JOIN passengers p ON p.id = t.passenger_id
LEFT JOIN trips tr ON tr.id = t.trip_id
LEFT JOIN routes r ON r.id = tr.route_id
LEFT JOIN stations ds ON ds.id = tr.departure_station_id
LEFT JOIN stations ars ON ars.id = tr.arrival_station_id
LEFT JOIN trains tn ON tn.id = tr.train_id
LEFT JOIN fares f ON f.id = t.fare_id
LEFT JOIN seats s ON s.id = t.seat_id
LEFT JOIN carriages c ON c.id = s.carriage_id
WHERE t.issued_at >= {start} AND t.issued_at < {end}
ORDER BY tr.service_date NULLS LAST, tr.departure_time NULLS LAST, t.ticket_ref COLLATE BINARY
