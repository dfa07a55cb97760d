// Package browser walks through the console with Debian's Chromium, as a person does: the built daemon serves it over TLS on
// loopback, ten simulated computers (integration/crowd) work for it, and nothing boots.
//
//	chromium (headless, chromedp) --HTTPS--> ardoise serve --boot none --console 127.0.0.1:0 <--TLS-- crowd
//
// Walked: the first start; computers approved by their code on the room's page, and together; a channel, a room that follows
// it, three clicks to a deployment that is watched without loading the page and ends with one broken disk and a report; its
// table for a spreadsheet; promotion and roll back; a technician who answers and closes what a pupil reported with a label,
// whose QR code is read; a teacher who resets his room and is refused the rest; a reader who finds nothing to press and is
// refused what he posts; a computer whose model is a script; the end of a session.
//
// Then a second school at work: a room that takes its shape by one person's mouse and another's keys at the same time; a channel
// dragged, taken back and chosen by keyboard; a computer captured from its page, the version forgotten again; a schedule that
// fires and is seen on the map; a deployment's session with its curve and who lags; a wipe and its certificate, printed; two
// people who order against each other; every form filled in wrongly; tables out and in; names that are scripts, 4,000
// characters or written from right to left; the log, health, tokens, people who change or are shut out; all of login, map, room,
// reset, deployment and cancelling without scripts; a login by a provider (integration/oidc).
//
// Then a region of 720 computers, whose rooms are lines on the map: opened and closed with the mouse, with keys that stay where
// they are, and without scripts; alive while they are open, and open still after the page was loaded again.
//
// Judged on each page that is looked at: what axe finds serious or critical, in both colour schemes (axe-core of
// scripts/install-npm); layout shift since it was loaded (Layout Instability, entries "layout-shift"), also of a job's page
// whose curve comes later; the size of a curve's letters on a phone; bytes that the page transferred (Resource Timing), width against a screen and a phone, inline styles, controls without a name, keys of texts that were not
// translated, and, of all pages that were open, each error or warning in the browser's console: scripts and policy alike.
//
// ARDOISE_SCREENSHOTS=DIR takes pictures of the pages in both languages and colour schemes instead of judging them:
// docs/screenshots is made so. A page whose pictures are there is left out.
//
// Not measured: how fast a page is, for others use this machine as well; other browsers; what a screen reader says.
package browser
