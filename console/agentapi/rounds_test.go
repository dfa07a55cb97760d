package agentapi_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/storetest"
)

func TestTrustAndStageTwoAreForAnyone(t *testing.T) {
	s := newSite(t)
	a := s.keyless()
	trust := must[job.Trust](a, http.MethodGet, job.PathTrust, nil)
	if len(trust.SigningKeys) != 1 || trust.SigningKeys[0] != s.library.Key().Public() || time.Since(trust.Time) > time.Minute {
		t.Errorf("trust = %+v", trust)
	}
	status, archive := a.call(http.MethodGet, job.PathStageTwo, nil)
	sum := blake3.Sum256(archive)
	if status != http.StatusOK || hex.EncodeToString(sum[:]) != trust.StageTwo.Hash || int64(len(archive)) != trust.StageTwo.Size {
		t.Errorf("stage two = %d, %d bytes of hash %x, want %+v", status, len(archive), sum, trust.StageTwo)
	}
	r, err := http.NewRequest(http.MethodGet, "https://"+s.address+job.PathStageTwo, nil)
	check(t, err)
	r.Header.Set("Range", "bytes=100-199")
	answer, err := a.http.Do(r)
	check(t, err)
	defer answer.Body.Close()
	part, err := io.ReadAll(answer.Body)
	check(t, err)
	if answer.StatusCode != http.StatusPartialContent || !bytes.Equal(part, archive[100:200]) {
		t.Errorf("bytes 100-199 = %d, %q", answer.StatusCode, part)
	}
}

// One PC is captured and another receives it: every route, real chunks, and the server restarted in the middle of both.
func TestCaptureAndDeployWithARestartInTheMiddle(t *testing.T) {
	s := newSite(t)
	ids, frames := storetest.Frames(t, 24, 7)
	reference, copied := s.agent(), s.agent()
	reference.enrol(hello(1), "reference")
	copied.enrol(hello(2), "copy")

	ordered := s.capture("reference", "salle-info")
	task := reference.task()
	checkTask(t, task, reference, ordered, "")
	capture := job.PathCapture + task.ID
	if _, missing := reference.call(http.MethodPost, capture+"/missing", pack(ids...)); !bytes.Equal(missing, bytes.Repeat([]byte{1}, len(ids))) {
		t.Errorf("an empty store misses %v", missing)
	}
	if status, body := reference.call(http.MethodPost, capture+"/frames", packed(frames[:10]...)); status != http.StatusNoContent {
		t.Fatalf("frames = %d %s", status, body)
	}
	s.stop()
	s.start()
	if again := reference.task(); again.ID != task.ID || again.Nonce == task.Nonce {
		t.Errorf("after a restart the task is %s with nonce %s, was %s with %s", again.ID, again.Nonce, task.ID, task.Nonce)
	}
	_, missing := reference.call(http.MethodPost, capture+"/missing", pack(ids...))
	want := append(make([]byte, 10), bytes.Repeat([]byte{1}, len(ids)-10)...)
	if !bytes.Equal(missing, want) {
		t.Errorf("after a restart the store misses %v, want %v", missing, want)
	}
	encoded, names := described(t, frames)
	status, problem := reference.problem(http.MethodPost, capture+"/publish", parts(encoded, names))
	if status != http.StatusConflict || problem.Code != "incomplete" {
		t.Errorf("publishing with chunks missing = %d %+v, want 409 incomplete", status, problem)
	}
	reference.call(http.MethodPost, capture+"/frames", packed(frames[10:]...))
	published := must[job.Published](reference, http.MethodPost, capture+"/publish", parts(encoded, names))
	if published.Master != "salle-info" || published.Version != 1 {
		t.Errorf("published %+v", published)
	}
	twice := must[job.Published](reference, http.MethodPost, capture+"/publish", parts(encoded, names))
	if twice != published {
		t.Errorf("asked twice it published %+v, then %+v", published, twice)
	}
	must[job.ReportReply](reference, http.MethodPost, job.PathReport, job.Report{Task: task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok"}})
	deployed(t, s, copied, published, ids)
}

// deployed plays a deployment to its proven end.
func deployed(t *testing.T, s *site, a *agent, p job.Published, ids []chunk.ID) {
	t.Helper()
	v, err := s.library.Resolve("salle-info")
	check(t, err)
	ordered := s.deploy(v, "copy")
	task := a.task()
	checkTask(t, task, a, ordered, p.Hash)

	status, encoded := a.call(http.MethodGet, job.PathManifest+p.Hash, nil)
	m, hash, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if status != http.StatusOK || err != nil || hash.String() != p.Hash {
		t.Fatalf("manifest = %d, hash %s, %v, want %s", status, hash, err, p.Hash)
	}
	names, err := a.http.Get("https://" + s.address + job.PathNames + p.Hash)
	check(t, err)
	defer names.Body.Close()
	check(t, manifest.CheckNames(names.Body, m))

	must[job.ReportReply](a, http.MethodPost, job.PathReport, job.Report{Task: task.ID, State: job.TaskRunning,
		Steps: []string{"scan", "write"}, Step: 1, Done: 5, Total: 10, Written: 5})
	s.stop()
	s.start()
	if c, err := s.fleet.Find("copy"); err != nil || c.Runs != nil {
		t.Errorf("in the middle of its deployment the computer runs %+v, %v", c.Runs, err)
	}
	fetched(t, a, ids)
	must[job.ReportReply](a, http.MethodPost, job.PathReport, job.Report{Task: task.ID, State: job.TaskDone,
		Outcome: &job.Outcome{Code: "ok", ProvenAt: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}})
	c, err := s.fleet.Find("copy")
	if err != nil || c.Runs == nil || c.Runs.Manifest != p.Hash || time.Since(c.Runs.At) > time.Minute {
		t.Errorf("the computer runs %+v, %v, want %s proven now", c.Runs, err, p.Hash)
	}
	if status, _ := a.problem(http.MethodPost, job.PathChunks, pack(ids[0])); status != http.StatusConflict {
		t.Errorf("chunks after the task's end = %d, want 409", status)
	}
}

// fetched gets all chunks and proves them.
func fetched(t *testing.T, a *agent, ids []chunk.ID) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	check(t, err)
	_, body := a.call(http.MethodPost, job.PathChunks, pack(ids...))
	for _, id := range ids {
		f, n, err := chunk.Parse(body)
		check(t, err)
		if _, err := codec.Open(nil, f); err != nil || f.ID != id {
			t.Errorf("got chunk %s, %v, want %s", f.ID, err, id)
		}
		body = body[n:]
	}
	if len(body) > 0 {
		t.Errorf("%d bytes follow the last frame", len(body))
	}
}

func checkTask(t *testing.T, task job.Task, a *agent, ordered fleet.JobState, hash string) {
	t.Helper()
	if task.ID != ordered.Tasks[0].ID || task.Kind != ordered.Job.Kind || task.ComputerKey != a.key || task.Manifest != hash ||
		task.OrderedBy != "marie" || len(task.Nonce) != 32 {
		t.Errorf("the task is %+v", task)
	}
}

func TestTasksAreSigned(t *testing.T) {
	s := newSite(t)
	a := s.agent()
	a.enrol(hello(1), "pc1")
	s.capture("pc1", "m")
	e := must[job.Envelope](a, http.MethodGet, job.PathTask, nil)
	trust := must[job.Trust](a, http.MethodGet, job.PathTrust, nil)
	if err := sign.Verify(trust.SigningKeys, e.Key, job.ContextTask, e.Payload, e.Signature); err != nil {
		t.Errorf("the envelope: %v", err)
	}
	e.Payload = bytes.Replace(e.Payload, []byte("pc1"), []byte("pc2"), 1)
	if err := sign.Verify(trust.SigningKeys, e.Key, job.ContextTask, e.Payload, e.Signature); err == nil {
		t.Error("an altered envelope verifies")
	}
}

func TestATaskArrivesWhileTheAgentWaits(t *testing.T) {
	s := newSite(t)
	a := s.agent()
	a.enrol(hello(1), "pc1")
	got := make(chan job.Task, 1)
	go func() {
		_, content := a.call(http.MethodGet, job.PathTask, nil)
		var e job.Envelope
		var task job.Task
		_ = json.Unmarshal(content, &e)
		_ = json.Unmarshal(e.Payload, &task)
		got <- task
	}()
	ordered := s.capture("pc1", "m")
	if task := <-got; task.ID != ordered.Tasks[0].ID {
		t.Errorf("the waiting agent got %+v, want %s", task, ordered.Tasks[0].ID)
	}
}

// A long poll must not hold up the end of the daemon.
func TestTheServerEndsWhileAgentsWait(t *testing.T) {
	s := newSite(t)
	a := s.agent()
	a.enrol(hello(1), "pc1")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+job.PathTask, nil)
	check(t, err)
	ended := make(chan struct{})
	go func() {
		if answer, err := a.http.Do(r); err == nil {
			answer.Body.Close()
		}
		close(ended)
	}()
	s.stop()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Error("the agent still waits after the server has ended")
	}
}
