package refusals_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
	"github.com/ardoise/ardoise/masters/manifest"
)

// A pupil's laptop claims to be a known computer for which a deployment waits: MAC, UUID, serials and disks are right,
// the key is not. It must get nothing, the computer must be alarmed, and the honest one must still get its task.
func TestRogueWithTheRightAddressAndTheWrongKeyGetsNothing(t *testing.T) {
	school := rig.Golden(t, "rogue")
	honestSpace := plug(t, school, "honest", "10.77.0.41")
	laptop := plug(t, school, "laptop", "10.77.0.66")
	hello := computer(1, diskOf("/dev/sda", 2<<30, 512))
	honest := enrolled(t, school, honestSpace, "victim", hello)
	var ordered access.Job
	if err := school.Ask(t.Context(), &ordered, "deploy", "golden", "--computer", "victim", "--yes"); err != nil {
		t.Fatal(err)
	}

	rogue, err := lab.NewStandIn(laptop, hello)
	if err != nil {
		t.Fatal(err)
	}
	rogue.Hello.NewKey = false
	welcome, err := rogue.Introduce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if welcome.State == job.StateEnrolled || welcome.ID != "" {
		t.Errorf("the rogue is welcomed as %+v", welcome)
	}
	for _, path := range rogueWants(t, school, ordered.ID) {
		refusesRogue(t, rogue, path)
	}
	var victim access.Computer
	if err := school.Ask(t.Context(), &victim, "computer", "show", "victim"); err != nil {
		t.Fatal(err)
	}
	if victim.State != "alarm" || victim.Claim == nil || victim.Claim.Address != "10.77.0.66" {
		t.Errorf("the daemon calls the victim %s with claim %+v, want an alarm that names 10.77.0.66", victim.State, victim.Claim)
	}
	status, body, err := honest.Call(t.Context(), http.MethodGet, job.PathTask, nil)
	var envelope job.Envelope
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &envelope) != nil || len(envelope.Payload) == 0 {
		t.Errorf("the honest computer asked for its task and got %d %.200s, %v", status, body, err)
	}
}

// want is one request that a rogue tries.
type want struct {
	method, path string
	body         any
}

// rogueWants lists everything that only the right computer may have.
func rogueWants(t *testing.T, school *lab.School, jobID string) []want {
	t.Helper()
	var master access.Master
	if err := school.Ask(t.Context(), &master, "master", "show", "golden"); err != nil {
		t.Fatal(err)
	}
	task := jobID + "-1"
	ids := sha256.Sum256([]byte("any chunk"))
	return []want{
		{http.MethodGet, job.PathTask, nil},
		{http.MethodGet, job.PathManifest + master.Hash, nil},
		{http.MethodGet, job.PathNames + master.Hash, nil},
		{http.MethodGet, job.PathManifest + hex.EncodeToString(make([]byte, len(manifest.Hash{}))), nil},
		{http.MethodPost, job.PathChunks, ids[:]},
		{http.MethodPost, job.PathReport, job.Report{Task: task, State: job.TaskDone}},
		{http.MethodPost, job.PathCapture + task + "/missing", ids[:]},
		{http.MethodPost, job.PathCapture + task + "/frames", ids[:]},
		{http.MethodPost, job.PathCapture + task + "/publish", []byte{}},
	}
}

// refusesRogue sends one request of a rogue and wants nothing but a refusal.
func refusesRogue(t *testing.T, rogue *lab.StandIn, w want) {
	t.Helper()
	status, body, err := rogue.Call(t.Context(), w.method, w.path, w.body)
	if err != nil {
		t.Errorf("%s %s: %v", w.method, w.path, err)
		return
	}
	var problem job.Problem
	if status != http.StatusForbidden || json.Unmarshal(body, &problem) != nil || problem.Code != "unknown-computer" {
		t.Errorf("%s %s gave the rogue %d %.200s, want 403 unknown-computer", w.method, w.path, status, body)
	}
}

// Without any key there is nothing to prove, and nothing to get; the two public documents are public.
func TestBrowserWithoutAKeyGetsOnlyWhatIsPublic(t *testing.T) {
	school := rig.Golden(t, "browser")
	laptop := plug(t, school, "laptop", "10.77.0.66")
	client := lab.Browser(laptop)
	for path, want := range map[string]int{
		job.PathTrust:    http.StatusOK,
		job.PathStageTwo: http.StatusOK,
		job.PathTask:     http.StatusForbidden,
		"/":              http.StatusNotFound,
		"/v1/computers":  http.StatusNotFound,
	} {
		status, body, err := client.Call(t.Context(), http.MethodGet, path, nil)
		if err != nil || status != want {
			t.Errorf("GET %s without a key: %d %.100s, %v, want %d", path, status, body, err, want)
		}
	}
	plain := http.Client{Timeout: 10 * time.Second, Transport: lab.TransportIn(laptop, nil)}
	if answer, err := plain.Get("http://" + lab.AddressServer + ":" + lab.AgentPort + job.PathTrust); err == nil {
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			t.Error("the agent port speaks without TLS")
		}
	}
}
