-- Each booking with a ticket in the period, once, with the count and the sum of all its tickets, whenever issued. Most
-- bookings have tickets in their own currency only: what the others need is looked up for them alone.
SELECT
    b.id AS booking_id,
    b.booking_ref::text AS booking_ref,
    b.status,
    b.total_amount,
    b.currency::text AS currency,
    b.created_at,
    b.expires_at,
    sold.tickets AS ticket_count,
    CASE
        WHEN sold.lowest_currency = b.currency AND sold.highest_currency = b.currency THEN sold.amount
        ELSE (
            SELECT coalesce(sum(t.price), 0)
            FROM tickets t
            WHERE t.booking_id = b.id AND t.currency = b.currency
        )
    END AS ticket_total,
    CASE
        WHEN sold.lowest_currency <> b.currency OR sold.highest_currency <> b.currency THEN (
            SELECT string_agg(other.currency || ' ' || round(other.amount, 2), '; ' ORDER BY other.currency COLLATE "C")
            FROM (
                SELECT t.currency, sum(t.price) AS amount
                FROM tickets t
                WHERE t.booking_id = b.id AND t.currency <> b.currency
                GROUP BY t.currency
            ) other
        )
    END AS ticket_totals_other
FROM bookings b
JOIN (
    SELECT
        t.booking_id,
        count(*) AS tickets,
        sum(t.price) AS amount,
        min(t.currency) AS lowest_currency,
        max(t.currency) AS highest_currency
    FROM tickets t
    WHERE t.booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= {start} AND issued_at < {end})
    GROUP BY t.booking_id
) sold ON sold.booking_id = b.id
ORDER BY b.booking_ref COLLATE "C"
