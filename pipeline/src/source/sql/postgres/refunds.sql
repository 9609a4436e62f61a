-- All refunds of the period's tickets.
SELECT
    r.id AS refund_id,
    r.ticket_id,
    r.refunded_amount AS amount,
    r.currency::text AS currency,
    r.processed_at,
    r.reason::text AS reason,
    t.ticket_ref::text AS ticket_ref,
    t.currency::text AS ticket_currency,
    t.booking_id,
    b.booking_ref::text AS booking_ref,
    b.currency::text AS booking_currency
FROM ticket_refunds r
JOIN tickets t ON t.id = r.ticket_id
LEFT JOIN bookings b ON b.id = t.booking_id
WHERE t.issued_at >= {start} AND t.issued_at < {end}
ORDER BY r.id
