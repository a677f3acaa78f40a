package podspec

import (
	"strings"
	"testing"
)

func TestTagOf(t *testing.T) {
	f := func(image, want string) {
		t.Helper()
		if got := tagOf(image); got != want {
			t.Errorf("tagOf(%q) = %q, want %q", image, got, want)
		}
	}
	digest := "@sha256:" + strings.Repeat("0123456789abcdef", 4)

	f("nginx", "latest")
	f("nginx:latest", "latest")
	f("nginx:1.27", "1.27")
	f("library/nginx", "latest")
	f("reg.example:5000/nginx", "latest")
	f("reg.example:5000/nginx:v2", "v2")
	f("localhost/a/b/c:x_Y.z-1", "x_Y.z-1")
	f("[::1]:5000/a:b", "b")
	f("Reg/nginx", "latest") // upper case makes it a registry
	f("a__b/c-d.e", "latest")
	f("nginx"+digest, "")
	f("nginx:1"+digest, "1")

	f("", "")
	f("Nginx", "")
	f("a/B", "")
	f("nginx:", "")
	f("nginx:-1", "")
	f("nginx@sha256:123", "")
	f("nginx@md5:"+strings.Repeat("0", 32), "")
	f("a//b", "")
	f("a..b/c", "")
	f("a___b", "")
	f("-a", "")
	f("https://reg/x", "")
	f("reg.example:port/x", "")
	f(strings.Repeat("0123456789abcdef", 4), "")
	f("n:"+strings.Repeat("t", 129), "")
	f(strings.Repeat("n", 256), "")
}

func FuzzTagOf(f *testing.F) {
	for _, seed := range []string{"nginx", "a/b:c", "[::1]:1/a", "a@sha256:0", "a.-_b", ":", "@", "//", "[", "a:b/c@d:e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, image string) {
		if tag := tagOf(image); tag != "" && tag != "latest" && !strings.Contains(image, ":"+tag) {
			t.Errorf("tagOf(%q) = %q, which is not in it", image, tag)
		}
	})
}
