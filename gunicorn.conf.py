"""gunicorn reads this by itself when it starts in this folder. WEB_CONCURRENCY sets the number of processes."""

worker_class = "gthread"
threads = 8
limit_request_line = 8190  # the most it can; the mapping of an import stands in the URL
keepalive = 75  # longer than a load balancer's 60 s, so that it is the one to close
graceful_timeout = 8
timeout = 120  # a reply that is being sent may take 20 s, an import of 10 MB some more
control_socket_disable = True
