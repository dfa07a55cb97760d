// Package post brings the morning's report to people who have not opened the console yet: by mail, and to a web hook.
//
// Sources: RFC 5321 and 5322 for mail, RFC 3207 for STARTTLS, RFC 2104 for the hook's signature. A report tells of all jobs
// that ended since the one before: how many computers are ready, and of those that are not, which, why, and what to do now;
// and of the requests that nobody has answered. Some read of everything, the people of a site of their own computers alone.
//
//	07:00 --> Source(of, since, until) --> Report --+--> text and HTML --> SMTP server, once for each audience
//	                  every 5 min again for 6 h <---+--> JSON, signed ---> web hook
//
// What was sent up to when is kept with the settings, in one file, and only moves on when every way has taken the report
// or the time to try is over: a box that is restarted at seven sends it once, or, if it died in the middle of that, twice. A
// way that took it is not gone again because of another that did not. Where nothing ended and nobody asked for anything new nothing is sent. Why a way did not
// take it is a TroubleError, whose code has its sentences in console/notices.
//
// Guaranteed: a secret that is kept goes only where it went before, and is never shown; names from computers cannot add
// headers, recipients or markup; passwords go over TLS only; no server can hold a report up for longer than it has patience;
// the file is readable by the daemon's user alone; one that cannot be read, or makes no sense, stops nothing but reports, says
// so where they are set and to the doctor, and is kept under another name (post.json.bad-TIME) when new settings take its
// place. Not guaranteed: that a server which took a mail delivers it.
package post
