SELECT
    t.ticket_ref, t.status AS ticket_status, t.price, t.currency, t.issued_at,
    b.booking_ref, b.status AS booking_status, b.total_amount, b.currency AS booking_currency,
    paid.paid_amount, paid.latest_payment_status,
    p.first_name, p.last_name, p.doc_type,
    tr.service_date, tr.departure_time, tr.arrival_time,
    ds.code AS departure_station, ars.code AS arrival_station, r.code AS route_code,
    f.code AS fare_code, f.seat_class, s.seat_number, c.carriage_number, tn.registration
FROM tickets t
LEFT JOIN bookings b ON b.id = t.booking_id
LEFT JOIN (
    SELECT booking_id, sum(amount) AS paid_amount, max(status::text) AS latest_payment_status
    FROM payments
    GROUP BY booking_id
) paid ON paid.booking_id = b.id
LEFT JOIN passengers p ON p.id = t.passenger_id
JOIN trips tr ON tr.id = t.trip_id
JOIN routes r ON r.id = tr.route_id
JOIN stations ds ON ds.id = tr.departure_station_id
JOIN stations ars ON ars.id = tr.arrival_station_id
LEFT JOIN fares f ON f.id = t.fare_id
LEFT JOIN seats s ON s.id = t.seat_id
LEFT JOIN carriages c ON c.id = s.carriage_id
LEFT JOIN trains tn ON tn.id = tr.train_id
WHERE t.issued_at::date BETWEEN '2025-02-01' AND '2025-02-28'
ORDER BY tr.service_date, tr.departure_time, t.ticket_ref
