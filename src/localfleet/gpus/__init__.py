"""The GPUs of this box, asked through NVIDIA's own library (NVML): readings for monitors, watts for costs."""
