package backend

import (
	"path/filepath"

	"pilothouse/backend/authn"
	"pilothouse/backend/request"
	"pilothouse/backend/server"
	"pilothouse/backend/version"
	"pilothouse/web"
)

// openDashboard makes the dashboard, which is served on both listeners. It asks
// the API through s.chain, which holds it and so has to come later.
func (s *Server) openDashboard(authenticator authn.Authenticator) (server.Filter, error) {
	var err error
	s.dashboard, err = web.New(web.Options{
		Registry: s.registry, Remote: s.aggregator.Groups, Authenticator: authenticator, Version: version.GitVersion,
		Logins: s.authentication.logins, SessionFile: filepath.Join(s.options.Storage.DataDir, "dashboard-sessions.json"),
		PreferencesFile: filepath.Join(s.options.Storage.DataDir, "dashboard-preferences.json"),
		Authorizer:      s.authorization.Authorizer, WhoCan: s.authorization.policy.WhoCan, Hold: s.options.Serving.DeletionWait,
	})
	if err != nil {
		return nil, err
	}
	return s.dashboard.Filter, nil
}

// BetweenDashboard puts a filter between the dashboard and the API, before anybody uses
// either: for tests of what pages make of an API that fails.
func (s *Server) BetweenDashboard(filter server.Filter) { s.dashboard.SetAPI(filter(s.chain)) }

// administrator is whom the kubeconfig (package pki) and the link that the start prints are
// for.
var administrator = &request.User{Name: "kubernetes-admin", Groups: []string{request.GroupMasters, request.GroupAuthenticated}}

// LoginURL is a new address that logs one browser into the dashboard as the
// administrator, once and within a quarter of an hour; empty without a
// dashboard.
func (s *Server) LoginURL() string {
	base := s.DashboardURL()
	if base == "" {
		return ""
	}
	return base[:len(base)-1] + s.dashboard.Link(administrator)
}
