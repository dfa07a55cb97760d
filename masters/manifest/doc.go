// Package manifest describes a version of a master: its disk, partitions, volumes, chunks and where each goes.
package manifest
