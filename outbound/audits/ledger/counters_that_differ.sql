-- Counters that say something else than the messages that hold their slots. (A month's begins with what was sent before.)
SELECT both_sides.counter, max(both_sides.used) AS counted, count(both_sides.message_id) AS held
FROM (
    SELECT counter.id AS counter, counter.used, NULL AS message_id
    FROM sending_sendcounter AS counter
    UNION ALL
    SELECT slot.value, 0, CAST(message.id AS text)
    FROM sending_message AS message, jsonb_each_text(message.reserved) AS slot
) AS both_sides
GROUP BY both_sides.counter
HAVING max(both_sides.used) <> count(both_sides.message_id) AND substr(both_sides.counter, 1, 6) <> 'month:'
ORDER BY both_sides.counter
