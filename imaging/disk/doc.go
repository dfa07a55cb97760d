// Package disk opens block devices and image files, and reads, checks and writes how they are divided.
package disk
