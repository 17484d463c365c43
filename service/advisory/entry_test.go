package advisory

import "testing"

func TestFields(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{string(SeverityField("")), ""},
		{string(SeverityField("High")), `{"severity":"High"}`},
		{string(SeverityField("a \"b\"\n\xff")), `{"severity":"a \"b\"\n\ufffd"}`},
		{string(StatusField(StatusNotAffected)), `{"status":"not affected"}`},
	} {
		if tt.got != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
	}
}

func TestBefore(t *testing.T) {
	if r := Before(""); r.Type != Ecosystem || len(r.Events) != 1 || r.Events[0] != (Event{Introduced: "0"}) {
		t.Errorf("without a fix: %+v", r)
	}
	if r := Before("1.2"); r.Type != Ecosystem || len(r.Events) != 2 || r.Events[0] != (Event{Introduced: "0"}) || r.Events[1] != (Event{Fixed: "1.2"}) {
		t.Errorf("with a fix: %+v", r)
	}
}
