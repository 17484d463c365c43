package source

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// TestAddresses checks that every address that is not one of a public host is refused.
func TestAddresses(t *testing.T) {
	for _, tt := range []struct {
		ip     string
		public bool
	}{
		{"93.184.216.34", true}, {"1.1.1.1", true}, {"2606:4700::1111", true}, {"2001:200::1", true},
		{"::ffff:93.184.216.34", true},
		{"127.0.0.1", false}, {"127.255.255.254", false}, {"::1", false}, {"::ffff:127.0.0.1", false},
		{"0.0.0.0", false}, {"0.1.2.3", false}, {"::", false},
		{"10.0.0.1", false}, {"172.16.0.1", false}, {"172.31.255.255", false}, {"192.168.1.1", false}, {"::ffff:10.0.0.1", false},
		{"169.254.169.254", false}, {"::ffff:169.254.169.254", false}, {"fe80::1", false}, {"fe80::1%eth0", false},
		{"fd00:ec2::254", false}, {"fc00::1", false}, {"fec0::1", false},
		{"100.64.0.1", false}, {"100.127.255.255", false},
		{"224.0.0.1", false}, {"239.1.1.1", false}, {"ff02::1", false}, {"255.255.255.255", false}, {"240.0.0.1", false},
		{"192.0.0.8", false}, {"192.0.2.1", false}, {"198.18.0.1", false}, {"198.51.100.1", false}, {"203.0.113.1", false}, {"192.88.99.1", false},
		{"168.63.129.16", false},
		{"64:ff9b::7f00:1", false}, {"64:ff9b::5db8:d822", false}, {"64:ff9b:1::1", false},
		{"2002:7f00:1::", false}, {"2001::1", false}, {"2001:db8::1", false}, {"3fff::1", false}, {"::7f00:1", false}, {"100::1", false}, {"5f00::1", false},
	} {
		ip := netip.MustParseAddr(tt.ip)
		err := new(Network).check("host.example", "443", ip, false)
		if _, refused := errors.AsType[*AddressError](err); refused == tt.public {
			t.Errorf("%s: %v", tt.ip, err)
		}
		if err := new(Network).check("host.example", "80", ip, true); err == nil {
			t.Errorf("%s: HTTP is allowed", tt.ip)
		}
	}
}

func TestAllowedAddresses(t *testing.T) {
	n, err := ParseNetwork([]string{"10.1.0.0/16", "127.0.0.1:5000", "registry.lan", "http://plain.lan:80", "http://192.168.7.7", "[fd00::5]:5000", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host, port, ip string
		plain, ok      bool
	}{
		{"a.lan", "443", "10.1.2.3", false, true},
		{"a.lan", "443", "::ffff:10.1.2.3", false, true},
		{"a.lan", "80", "10.1.2.3", true, false},
		{"a.lan", "443", "10.2.2.3", false, false},
		{"127.0.0.1", "5000", "127.0.0.1", true, true}, // loopback may be HTTP
		{"localhost", "5000", "127.0.0.1", false, true},
		{"127.0.0.1", "5001", "127.0.0.1", false, false},
		{"registry.lan", "443", "10.9.9.9", false, true},
		{"Registry.LAN.", "443", "10.9.9.9", false, true},
		{"registry.lan", "80", "10.9.9.9", true, false},
		{"sub.registry.lan", "443", "10.9.9.9", false, false},
		{"plain.lan", "80", "10.9.9.9", true, true},
		{"plain.lan", "80", "93.184.216.34", true, false}, // never HTTP to a public address
		{"plain.lan", "443", "10.9.9.9", false, false},
		{"x.lan", "80", "192.168.7.7", true, true},
		{"x.lan", "5000", "fd00::5", false, true},
		{"x.lan", "5001", "fd00::5", false, false},
		{"localhost", "80", "::1", true, true},
		{"metadata", "80", "169.254.169.254", true, false},
	} {
		if err := n.check(tt.host, tt.port, netip.MustParseAddr(tt.ip), tt.plain); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	for _, bad := range []string{"", "http://", "10.0.0.0/33", "a b", "https://x", "a/b", "x:port", ":5000", "1.2.3", "user@host"} {
		if _, err := ParseNetwork([]string{bad}); err == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
}

// TestDial: the check is made with the address to which the name resolves, when the connection
// is made.
func TestDial(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the server was reached") }))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "0x7f.1", "2130706433"} {
		client := &http.Client{Transport: new(Network).transport()}
		resp, err := client.Get("http://" + host + ":" + u.Port() + "/")
		if err == nil {
			resp.Body.Close()
			t.Errorf("%s: connected", host)
			continue
		}
		if _, ok := errors.AsType[*AddressError](err); !ok && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestRedirects: a redirect to another scheme, to a refused address or one too many ends a
// request, whichever client follows it.
func TestRedirects(t *testing.T) {
	reached := 0
	var target string
	mux := http.NewServeMux()
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) {
		reached++
		http.Redirect(w, r, "/loop", http.StatusTemporaryRedirect)
	})
	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	plain := httptest.NewServer(mux)
	defer plain.Close()
	n, err := ParseNetwork([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	n.CAs = secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	get := func(u string) error {
		resp, err := (&http.Client{Transport: n.transport()}).Get(u)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	target = plain.URL + "/"
	if err := get(secure.URL + "/to"); err == nil || !strings.Contains(err.Error(), "from HTTPS to HTTP") {
		t.Errorf("downgrade: %v", err)
	}
	target = secure.URL + "/"
	if err := get(plain.URL + "/to"); err != nil {
		t.Errorf("upgrade: %v", err)
	}
	target = "http://169.254.169.254/latest/meta-data/"
	if err := get(plain.URL + "/to"); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("metadata: %v", err)
	}
	target = "file:///etc/passwd"
	if err := get(plain.URL + "/to"); err == nil || !strings.Contains(err.Error(), "unsupported") {
		t.Errorf("file: %v", err)
	}
	if err := get(secure.URL + "/loop"); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("loop: %v", err)
	}
	if reached != maxRedirects+1 {
		t.Errorf("%d requests of a loop", reached)
	}
}
