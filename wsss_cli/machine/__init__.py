"""Where and how to compute: cores, memory, devices, precision, pools of processes."""
