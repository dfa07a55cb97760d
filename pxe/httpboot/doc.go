// Package httpboot serves the boot environment over plain HTTP.
//
// Sources: RFC 9110 (methods, ranges), UEFI 2.10 section 24.7 (HTTP boot). Who asks, and how:
//
//	firmware (HTTP boot)  HEAD /shimx64.efi, then GET; "UefiHttpBoot/1.0", no Range
//	shim                  GET //grubx64.efi, and takes a redirect for a failure
//	GRUB                  GET /vmlinuz; reads some, pauses for about 10 s, reads on
//
// So names are cleaned here and never redirected, and a slow reader is not cut off while it still moves once in two
// minutes. Plain, because nothing secret is here and firmware trusts no certificate of ours; the agent fetches everything
// else over TLS.
//
// Guaranteed: GET and HEAD only; only names that the Source knows; no listing; bounded headers and connections, per
// source and in all. Not guaranteed: secrecy or integrity, which shim, GRUB and the agent provide for themselves.
package httpboot
