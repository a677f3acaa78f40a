package audit

import (
	"net"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAppendMicro(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 0), time.Unix(1774051200, 123456789), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(20260, 1, 2, 3, 4, 5, 6, time.UTC),
	} {
		at = at.UTC()
		if got, want := string(appendMicro(nil, at)), at.Format(metav1.RFC3339Micro); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAddressText(t *testing.T) {
	for _, host := range []string{"10.0.0.1", "::1", "2001:db8::1", "::ffff:10.0.0.1", "0:0:0:0:0:0:0:1"} {
		got, ok := addressText(host)
		if want := net.ParseIP(host).String(); !ok || got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
	for _, host := range []string{"", "010.0.0.1", "fe80::1%eth0", "x"} {
		if text, ok := addressText(host); ok {
			t.Errorf("%s gives %s", host, text)
		}
	}
}
