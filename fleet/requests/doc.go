// Package requests keeps what people report of broken computers: a teacher from the room's page, or anybody with the label
// on the PC, and what technicians answer.
//
// Sources: section 11 of the project's design; issue 6 ("Requests").
//
//	report --> open --answer--> answered --close--> closed
//	             |                  |                  |
//	             +------close-------+--> closed        +--reopen, within seven days--> open
//
// A label is a code of 16 random bytes on the PC, as a QR code. It lets whoever reads it report this computer and see no
// more of it than its name and room, when it was reported and how that stands, and the answers to who had no account; never
// what others wrote. It is kept as it is, so that a sheet that is printed again shows the same; a new one makes the old one
// worthless.
//
// Guaranteed: what strangers write is bounded in length and number: by label and by address, and by room; it comes out as
// text that prints. Not guaranteed: that it is true.
package requests
