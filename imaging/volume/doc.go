// Package volume tells which bytes of a file system matter and belong together.
package volume
