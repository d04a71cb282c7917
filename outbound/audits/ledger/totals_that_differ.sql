-- Mailboxes whose total says something else than their sent mails.
SELECT mailbox.email, mailbox.total_sent_count AS counted, count(message.id) AS sent
FROM sending_mailbox AS mailbox
LEFT JOIN sending_message AS message
    ON message.mailbox_id = mailbox.id AND message.direction = 'out' AND message.state = 'sent'
GROUP BY mailbox.id, mailbox.email, mailbox.total_sent_count
HAVING mailbox.total_sent_count <> count(message.id)
ORDER BY mailbox.email
