"""Find devices, pin processes to them, supervise one worker per device, measure their use."""
