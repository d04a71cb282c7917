-- Campaign mails that left more than 10 s after their lead's reply.
SELECT message.id AS message_id, message.to_email, lead.replied_at, message.departed_at
FROM sending_message AS message
JOIN leads_lead AS lead ON lead.id = message.lead_id
WHERE message.kind = 'campaign' AND message.state IN ('committed', 'sent', 'unknown')
    AND lead.replied_at >= message.stops_after
    AND extract(epoch FROM message.departed_at) > extract(epoch FROM lead.replied_at) + 10
ORDER BY message.departed_at
