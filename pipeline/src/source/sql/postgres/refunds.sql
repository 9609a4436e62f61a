-- All refunds of the period's tickets.
SELECT
    r.id AS refund_id,
    r.ticket_id,
    r.refunded_amount AS amount,
    r.currency::text AS currency,
    r.processed_at,
    r.reason::text AS reason
FROM ticket_refunds r
JOIN tickets t ON t.id = r.ticket_id
WHERE t.issued_at >= {start} AND t.issued_at < {end}
ORDER BY r.id
