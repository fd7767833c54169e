"""Side data: values by time beside the bars, joined as of each bar's decision and never later."""
