package web

// liveOf finds the page that a stream is for. What the person may not see, the desk does not show it either.
func (c *console) liveOf(v *visit) (live, error) {
	q := v.r.URL.Query()
	switch q.Get("page") {
	case "map":
		return v.mapLive(), nil
	case "boards":
		return v.boardsLive(), nil
	case "room":
		if _, err := v.Desk.Room(q.Get("room")); err != nil {
			return nil, err
		}
		return v.roomLive(q.Get("room")), nil
	case "job":
		if _, err := v.Desk.Brief(v.r.Context(), q.Get("job")); err != nil {
			return nil, err
		}
		return v.jobLive(q.Get("job")), nil
	case "computer":
		return v.computerLive(), nil
	case "jobs":
		return v.jobsLive(), nil
	}
	return nil, v.notHere()
}
