package fleet

import "fmt"

// Code is a stable word for a refusal; console/notices has its sentences.
type Code string

// The refusals.
const (
	CodeNoComputer     Code = "no-computer"      // nothing of that name, id or code
	CodeSeveral        Code = "several"          // the reference fits more than one
	CodeNotEnrolled    Code = "not-enrolled"     // the key is not one of ours
	CodeBusy           Code = "busy"             // the computer has a task
	CodeNoDisk         Code = "no-disk"          // no disk fits the rule
	CodeSeveralDisks   Code = "several-disks"    // more than one disk fits the rule
	CodeOtherDisk      Code = "other-disk"       // what it was proven to hold is on another disk
	CodeDiskTooSmall   Code = "disk-too-small"   // the master does not fit
	CodeSectorSize     Code = "sector-size"      // the master was made on another sector size
	CodeNoJob          Code = "no-job"           // no such job
	CodeJobOver        Code = "job-over"         // it cannot be cancelled any more
	CodeWritten        Code = "written"          // the disk is being written: cancelling would leave it unfinished
	CodeNotYours       Code = "not-yours"        // the task is another computer's
	CodeNoTask         Code = "no-task"          // the computer has no such running task
	CodeBadName        Code = "bad-name"         // not a name
	CodeNameTaken      Code = "name-taken"       // another computer has it
	CodeWrongCode      Code = "wrong-code"       // no pending computer shows it
	CodeTooMany        Code = "too-many"         // wrong codes, or computers waiting
	CodeNotPending     Code = "not-pending"      // it does not wait for approval
	CodeBadOrder       Code = "bad-order"        // the order makes no sense
	CodeNoMAC          Code = "no-mac"           // nothing to wake it by
	CodeAlreadyWithKey Code = "already-enrolled" // the record has a key of its own
	CodeNoRoom         Code = "no-room"          // no such room
	CodeBadRoom        Code = "bad-room"         // a room cannot be like that
	CodeRoomNeeded     Code = "room-needed"      // computers are in it
	CodeNotProven      Code = "not-proven"       // nothing is known of what its disk holds
	CodePolicy         Code = "policy"           // the room's policy forbids it
	CodeWrongToken     Code = "wrong-token"      // no computer's running system has it
	CodeEmpty          Code = "empty-order"      // no computer of the room can take it
	CodeNoSite         Code = "no-site"          // no such site
	CodeBadSite        Code = "bad-site"         // a site cannot be like that
	CodeSiteNeeded     Code = "site-needed"      // rooms, computers or schedules are of it
	CodeBadFilter      Code = "bad-filter"       // the query cannot be understood
	CodeNoFilter       Code = "no-filter"        // no such saved filter
	CodeBadTag         Code = "bad-tag"          // not a tag
	CodeBadNote        Code = "note-long"        // not a note
	CodeNoSchedule     Code = "no-schedule"      // no such schedule
	CodeBadSchedule    Code = "bad-schedule"     // a schedule cannot be like that
	CodeNoScript       Code = "no-script"        // no such script
	CodeBadScript      Code = "bad-script"       // a script cannot be like that
	CodeNotApproved    Code = "not-approved"     // another administrator must approve the script first
	CodeOwnScript      Code = "own-script"       // who wrote it cannot approve it while there are other administrators
	CodeScriptNeeded   Code = "script-needed"    // jobs or schedules run it
	CodeNoTwin         Code = "no-twin"          // a pending computer looks like none of another site
	CodeBadWindow      Code = "bad-window"       // an enrolment window cannot be like that
	CodeWindowOpen     Code = "window-open"      // another room of the site has one
	CodeNoWindow       Code = "no-window"        // none is open for the room
	CodeNoWake         Code = "no-wake"          // this server cannot wake anybody
	CodeNoHelper       Code = "no-helper"        // no such helper
	CodeBadHelper      Code = "bad-helper"       // a helper cannot be like that, or say that
	CodeBadSheet       Code = "bad-sheet"        // a list of computers that cannot be read, or has wrong lines
)

// RefusedError is a refusal with its reason. What is the thing refused: a computer's name, a job, a code.
type RefusedError struct {
	Code   Code
	What   string
	Detail string
}

// Error implements error.
func (e *RefusedError) Error() string {
	s := string(e.Code)
	if e.What != "" {
		s = fmt.Sprintf("%s: %s", e.What, s)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

func refuse(code Code, what, format string, args ...any) *RefusedError {
	return &RefusedError{Code: code, What: what, Detail: fmt.Sprintf(format, args...)}
}
