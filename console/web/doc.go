// Package web is the console: the pages on which a technician, a teacher or an administrator sees rooms and computers,
// gives orders and reads how they ended.
//
//	browser --HTTPS--> Server.Handler --> route (who may) --> page handler --> access.Desk
//	   ^                                                          |
//	   |  htmx: fragments by id                                   v
//	   +------------- /events <-- fragments that changed <-- html/template, words
//
// Pages are rendered by the server. A page works without scripts, but for the shape of rooms and for what is live: htmx and
// its extension for server-sent events (in static, with their licences) put fragments in place, and app.js drags tiles,
// opens dialogs and keeps a selection. There is nothing to build, and everything is in the binary.
//
// The map shows as much as somebody can look at: a tile for each of up to 700 computers; where there are more, those that
// the filter asks for; where these are too many, a line for each room, with how many match. A line is opened in its place:
//
//	button --GET /boards?toggle=KEY&open=KEY...--> the boards that open or close, and #opened with its new stream
//	   without scripts: the same form; the answer leads to /?open=KEY..., the map with these rooms open
//
// An order from a map or a list that a filter narrows is for who matches at that moment, by name (narrow), or, where they are
// too many to name, for whoever matches when it is given. What is offered for a room or a computer are verbs: those of every
// day as buttons, the others behind one (actions, roomActions).
//
// A room and a job are as far as the work of their tasks (workOf), not as many as are done. Filters are not kept with their
// results: fleet.Sights looks at 15,000 records in some ten milliseconds, while a cache by the fleet's changes would be
// empty whenever three hundred agents report.
//
// What comes later on a page that is live has its place from the start, or comes below all else: the curve of a job is
// announced in a box of its size, who lags is named below the list. What the axes of a curve say is HTML around the
// drawing, for letters in a drawing shrink with it.
//
// An order is made on one address, /order, that says with each step what is chosen so far; a computer's page has the same
// fields for itself alone, and a schedule that erases is kept only after the same plan and sentence:
//
//	for whom (rooms, sites, computers, a filter) --> which kind --> which master or script --> the plan, what it loses, the
//	sentence --POST, with the plan made again--> the job. A step that is answered is a link back to its question.
//
// An order that is for now holds until the end of the day, one for a window until that ends, and the page says when that is.
// Where computers have several disks, a rule that chooses one is a link to the plan with that rule: what is confirmed is
// what was shown.
//
// A page offers what its reader may do and no more: a test follows all links that each role is shown. Who reads a label has
// no account, and sees when its computer was reported, how that stands, and the answers; never what others wrote.
//
// How a page is made:
//
//  1. A line in routes.go: the pattern, the action that the caller needs somewhere, the handler.
//  2. A handler func(*visit) error in a file of its page: it asks v.Desk, makes a struct for the template and returns
//     v.page("name", Page{...}). An error of the desk is returned as it is: the shell says it in the person's language.
//     After a change: v.flash(key, ...) and return v.seeOther("/where/to").
//  3. A file templates/pages/name.html that defines "content"; its data is .Data. What more than one page shows, or what
//     is live, is a named template in templates/parts. A field in what is live has an id and hx-preserve, and a Key that
//     changes only when fields come or go: somebody may be typing.
//  4. Every text is {{t "key" args}} or {{n "key" number}} with its line in words; every state is {{template "badge" .}}:
//     colour, icon and word (type badge; v.mark, v.taskMark), and after a number v.counted. Names of people, rooms and
//     computers stand in <bdi>. No style attributes, no inline scripts.
//     What comes from below in English, a reason or a detail of an event, is said by {{said (in "kind or code" .Detail)}}, or
//     by v.in or v.notice and then {{said .}}: in French, or marked as English where nobody has put it into French.
//  5. A form is read with v.form(): when Form.Bad, show the page again with the form in it and status 422; fields are
//     {{template "field" (field .Data.Form "name" "label.key" "text")}}. An action that destroys asks in a <dialog>
//     (data-dialog) with a sentence that names what is lost.
//
// Sources: HTML Living Standard; WAI-ARIA 1.2 for names and live regions; WCAG 2.2 AA for contrast and size; Content
// Security Policy Level 3; RFC 6265bis for the __Host- prefix; Fetch Metadata (Sec-Fetch-Site) for requests of other
// sites; Server-sent events, HTML section 9.2.
//
// Guaranteed: nothing that a person or a computer wrote is ever markup or script, for html/template escapes it and the
// policy runs nothing that is not a file of ours; no route is open but those of routes.go that say so; what a page shows is
// what the caller's desk shows; a page's stream ends with its session. Not guaranteed: that a curve reaches back before
// the start of the daemon; that two pages open side by side show the same half second.
package web
