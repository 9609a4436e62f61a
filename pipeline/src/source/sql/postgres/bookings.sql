-- Each booking with a ticket in the period, once, with the count and the sum of all its tickets and their refunds,
-- whenever issued, and of those of the period. Most bookings have tickets in their own currency only: what the others
-- need is looked up for them alone. The order is that of the keys, but told of their texts: for the keys themselves the
-- planner would walk through two indexes in their order, which takes longer than to read both tables and sort.
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
    END AS ticket_totals_other,
    period.tickets AS period_ticket_count,
    CASE
        WHEN sold.lowest_currency = b.currency AND sold.highest_currency = b.currency THEN period.amount
        ELSE (
            SELECT coalesce(sum(t.price), 0)
            FROM tickets t
            WHERE t.booking_id = b.id AND t.currency = b.currency AND t.issued_at >= {start} AND t.issued_at < {end}
        )
    END AS period_ticket_total,
    coalesce(refunded.amount, 0) AS refund_total,
    coalesce(refunded.period_amount, 0) AS period_refund_total,
    coalesce(refunded.others, 0) AS other_refund_count
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
JOIN (
    SELECT t.booking_id, count(*) AS tickets, sum(t.price) AS amount
    FROM tickets t
    WHERE t.issued_at >= {start} AND t.issued_at < {end}
    GROUP BY t.booking_id
) period ON period.booking_id = b.id
LEFT JOIN (
    SELECT
        t.booking_id,
        sum(r.refunded_amount) FILTER (WHERE r.currency = t.currency AND t.currency = b.currency) AS amount,
        sum(r.refunded_amount) FILTER (
            WHERE r.currency = t.currency AND t.currency = b.currency AND t.issued_at >= {start} AND t.issued_at < {end}
        ) AS period_amount,
        count(*) FILTER (WHERE r.currency <> t.currency OR t.currency <> b.currency) AS others
    FROM ticket_refunds r
    JOIN tickets t ON t.id = r.ticket_id
    JOIN bookings b ON b.id = t.booking_id
    WHERE t.booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= {start} AND issued_at < {end})
    GROUP BY t.booking_id
) refunded ON refunded.booking_id = b.id
ORDER BY b.id::text COLLATE "C"
