// Package restore makes a disk equal to a master, writing only what differs, and proves it by reading back.
package restore
