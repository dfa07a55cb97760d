package web

// liveOf finds the page that a stream is for. What the person may not see, the desk does not show it either.
func (c *console) liveOf(v *visit) (live, error) {
	switch v.r.URL.Query().Get("page") {
	case "map":
		return v.mapLive(), nil
	}
	return nil, v.notHere()
}
