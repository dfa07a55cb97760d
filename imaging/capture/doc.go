// Package capture turns a disk into chunks and the manifest that says where each goes. It never writes to the disk.
package capture
