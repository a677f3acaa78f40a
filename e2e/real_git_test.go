package e2e

import (
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is a git repository that is served as hosts do it.
type repository struct {
	t    *testing.T
	work string
	url  string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	root := t.TempDir()
	r := &repository{t: t, work: t.TempDir()}
	r.git("init", "--quiet", "--bare", filepath.Join(root, "shop.git"))
	r.git("init", "--quiet", "--initial-branch=main")
	r.git("remote", "add", "origin", filepath.Join(root, "shop.git"))
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(r.git("--exec-path"), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"},
	})
	t.Cleanup(server.Close)
	r.url = server.URL + "/shop.git"
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	c := exec.Command("git", args...)
	c.Dir = r.work
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=e", "GIT_AUTHOR_EMAIL=e@example.org", "GIT_COMMITTER_NAME=e", "GIT_COMMITTER_EMAIL=e@example.org")
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files, an empty one meaning that it goes, and gives the commit
// that the branch is at for everybody then.
func (r *repository) commit(files map[string]string) string {
	r.t.Helper()
	for name, content := range files {
		file := filepath.Join(r.work, name)
		if content == "" {
			if err := os.Remove(file); err != nil {
				r.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			r.t.Fatal(err)
		}
		write(r.t, file, []byte(content))
	}
	r.git("add", "--all")
	r.git("commit", "--quiet", "--message=a change")
	r.git("push", "--quiet", "--force", "origin", "main")
	return r.git("rev-parse", "HEAD")
}
