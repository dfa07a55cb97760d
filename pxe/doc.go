// Package pxe takes a PC from bare metal to the running agent.
package pxe
