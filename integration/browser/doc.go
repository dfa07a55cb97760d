// Package browser walks through the console with Debian's Chromium, as a person does: the built daemon serves it over TLS on
// loopback, nothing boots, and a page that breaks its own policy, moves under the reader's eyes or is heavy fails.
//
//	chromium (headless, chromedp) --HTTPS--> ardoise serve --boot none --console 127.0.0.1:0
//
// Measured on pages: what the browser itself counts as layout shift (Layout Instability, the entries "layout-shift"), bytes
// of a first visit (Resource Timing, transferSize), width against the screen, complaints of the policy and of scripts.
// Not measured: how fast a page is, for others use this machine as well.
package browser
