"""Which panel of a command's help each setting stands in, in order."""

SETTINGS = {
    "Search": ("space", "tune_end", "trials", "objective", "sampler", "pruner", "parallel"),
    "Data": (
        "source", "symbols", "symbols_file", "interval", "timezone", "calendar", "corporate_actions", "second_source",
        "format_file", "second_format_file", "columns", "date_format", "delimiter", "encoding", "symbol_from", "where",
        "side", "side_lag", "side_max_age", "universe", "secrets_file", "requests_per_minute", "skip_fetch",
        "incremental", "validate_only", "write_actions", "plugins",
    ),
    "Windows": (
        "start_date", "end_date", "window_days", "step_days", "lookback", "min_rows", "holdout_from", "final",
        "study",
    ),
    "Labels": (
        "label", "horizon", "threshold", "threshold_unit", "take_profit", "stop_loss", "entry", "label_return",
        "cross_session", "embargo", "keep_jumps",
    ),
    "Models": (
        "scope", "student_scope", "features", "teacher", "student", "set", "privileged", "distill_weight",
        "reward_weights", "seed",
    ),
    "Costs": (
        "cost_bps", "slippage_bps", "costs", "order_value", "impact", "capital", "trade_band", "borrow_bps",
    ),
    "Execution": (
        "devices", "broker", "broker_file", "local_workers", "min_devices", "max_devices", "priority", "store", "reuse",
        "max_failure_rate", "window_limit",
    ),
    "Output": (
        "data_dir", "run_id", "release_dir", "trials_dir", "signing_key", "json_summary", "log_dir", "log_format",
        "telemetry", "telemetry_dir", "telemetry_buffer", "telemetry_delay", "mlflow",
    ),
}  # fmt: skip
PANEL_OF = {name: panel for panel, names in SETTINGS.items() for name in names}
PLACE_OF = {name: place for place, name in enumerate(PANEL_OF)}
