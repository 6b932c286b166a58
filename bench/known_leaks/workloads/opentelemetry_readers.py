"""A library that sets up metrics per job, and shuts them down."""

import time

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader


class Nowhere(MetricExporter):
    """Sends nothing."""

    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        """Say that all went well."""
        return MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis=30_000, **kwargs):
        """Do nothing."""

    def force_flush(self, timeout_millis=10_000):
        """Do nothing."""
        return True


print("READY", flush=True)
end = time.monotonic() + 150
while time.monotonic() < end:
    provider = MeterProvider(
        metric_readers=[PeriodicExportingMetricReader(Nowhere())], shutdown_on_exit=False
    )
    provider.get_meter("job").create_counter("steps").add(1)
    provider.shutdown()
    time.sleep(0.05)
