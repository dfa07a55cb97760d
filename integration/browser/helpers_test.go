package browser

// helpers adds one that wakes computers in another network, sees its key once, and forgets it.
func (s *school) helpers() {
	s.look("/helpers", "helpers")
	s.fill(map[string]string{"name": "cdi-pi"})
	s.goes("form[action='/helpers'] button.main")
	s.must("helper run --key", "cdi-pi")
	s.judge()
	if lines := eval[int](s.window, `document.querySelector(".told pre code").innerText.trim().split("\n").length`); lines < 6 {
		s.t.Errorf("the key has %d lines", lines)
	}
	s.visit("/helpers")
	if eval[bool](s.window, `document.body.innerText.includes("secret") || !!document.querySelector(".told")`) {
		s.t.Error("the key is told twice")
	}
	s.click("a[data-dialog='forget-cdi-pi']")
	s.until(`document.querySelector("#forget-cdi-pi").open`)
	s.judge()
	s.goes("#forget-cdi-pi-go")
	s.until(`!!document.querySelector(".flash.good") && !document.querySelector("#forget-cdi-pi")`)
}
