// Package script runs a script that an administrator has written on the PC that the agent works on.
//
//	text --> /tmp/script-*/script --> /bin/sh, in a PID and a mount namespace of its own
//	stdout, stderr --> first and last 32 KiB --> printable --> Ended.Output
//
// Sources: namespaces(7), pid_namespaces(7), mount_namespaces(7); linux/fs.h (BLKROSET).
//
// Guaranteed: when Run returns, every process that the script has started is dead and every mount that it made is gone;
// at the limit of time it is killed. The output that is kept is bounded, as it is and as JSON, and holds no control
// characters but tab and newline. Not guaranteed: anything of what the script does. It is root: it was approved by people.
package script
