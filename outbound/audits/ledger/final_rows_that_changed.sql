-- Messages whose end was recorded twice, or is on record as another one than their row says.
SELECT message.id AS message_id, message.state, min(event.kind) AS recorded_first, count(*) AS times
FROM sending_message AS message
JOIN apikeys_event AS event ON event.message_id = message.id AND event.kind IN ('email.sent', 'email.refused')
GROUP BY message.id, message.state
HAVING count(*) > 1 OR 'email.' || message.state <> min(event.kind)
ORDER BY message.id
