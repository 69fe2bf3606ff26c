"""What operators see with: alerts and their tests, Prometheus, a dashboard, traces."""
