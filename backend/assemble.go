package backend

import (
	"context"
	"slices"
	"time"

	"pilothouse/backend/admission/quota"
	"pilothouse/backend/authn/impersonation"
	"pilothouse/backend/authz"
	"pilothouse/backend/bootstrap"
	"pilothouse/backend/client"
	"pilothouse/backend/controllers"
	"pilothouse/backend/crd"
	"pilothouse/backend/endpoints"
	"pilothouse/backend/fieldmanager"
	"pilothouse/backend/health"
	"pilothouse/backend/openapi"
	"pilothouse/backend/registry"
	"pilothouse/backend/request"
	"pilothouse/backend/resources"
	"pilothouse/backend/server"
	"pilothouse/backend/storage"
	"pilothouse/backend/webhook"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// loadRegistry fills the table with the built-in resources and the caches with
// what the storage holds.
func (s *Server) loadRegistry() (err error) {
	o := s.options
	if s.registry, err = registry.New(registry.Options{
		Engine: s.engine, Server: s.noteName(), DeleteCollectionWorkers: o.Limits.DeleteCollectionWorkers,
	}); err != nil {
		return err
	}
	s.tokens, s.access, s.streams = &registry.Tokens{}, &registry.Access{}, &registry.Streams{}
	env := &registry.Env{Clock: time.Now, Registry: s.registry, AllowPrivileged: o.Features.AllowPrivileged, EventTTL: o.Features.EventTTL, Tokens: s.tokens, Access: s.access, Streams: s.streams}
	if env.ServiceIPRange, err = o.Services.Prefix(); err != nil {
		return err
	}
	if env.NodePortMin, env.NodePortMax, err = o.Services.NodePorts(); err != nil {
		return err
	}
	list, err := enabled(resources.All(env), o.Features.RuntimeConfig)
	if err != nil {
		return err
	}
	if err := s.registry.Add(list...); err != nil {
		return err
	}
	if err := s.registry.Start(s.ctx); err != nil {
		return err
	}
	s.fresh = s.registry.Revision() <= 1
	return resources.Repair(s.ctx, env)
}

// assemble puts together what a request passes, from the network inwards.
func (s *Server) assemble() error {
	o := s.options
	if _, err := controllers.Select(controllers.All(), o.Features.Controllers); err != nil {
		return err
	}
	documents, err := openapi.New()
	if err != nil {
		return err
	}
	s.documents = documents
	if s.authentication, err = newAuthentication(o, s.serving, s.pki, s.registry, s.advertised()); err != nil {
		return err
	}
	*s.tokens = s.authentication.forReviews()
	if s.authorization, err = newAuthorization(o, s.registry); err != nil {
		return err
	}
	authorizer := s.authorization.Authorizer
	fields := fieldmanager.New()
	s.quota = quota.New(quota.Options{Registry: s.registry, Clock: time.Now, Track: fields.Update})
	webhooks := webhook.New(webhook.Services(s.registry))
	chain, err := admissionChain(o, s.registry, authorizer, s.quota, webhooks)
	if err != nil {
		return err
	}
	*s.access = s.authorization.access()
	if err := s.openStreams(); err != nil {
		return err
	}
	s.openLife()
	if err := s.openTimeline(); err != nil {
		return err
	}
	if err := s.openAudit(); err != nil {
		return err
	}
	if s.aggregator, err = s.newAggregator(documents); err != nil {
		return err
	}
	s.health.Add(health.Check{Name: "etcd", Run: s.storageIsOpen}, "healthz", "livez", "readyz")
	s.flow = newFlowControl(o, s.registry)
	api := endpoints.New(endpoints.Config{
		Registry:          s.registry,
		FieldManager:      fields,
		Admission:         chain,
		AuthorizeCreate:   authorizeCreate(authorizer),
		Aggregated:        s.aggregator.Handler,
		Past:              s.past(),
		Paths:             servePaths(s.paths(documents)),
		Clock:             time.Now,
		MinRequestTimeout: time.Duration(o.Limits.MinRequestTimeout) * time.Second,
	})
	auditAll, auditFailure := s.auditFilters()
	trace, err := s.openTracing()
	if err != nil {
		return err
	}
	dashboard, err := s.openDashboard(s.authentication.authenticator)
	if err != nil {
		return err
	}
	serve := api.Serve
	if shared, ok := s.engine.(storage.Shared); ok {
		serve = consistent(shared, serve)
	}
	s.chain = server.Chain(serve, server.Filters(server.FilterOptions{
		Server:         s.name(),
		Life:           s.lifeFilter(),
		Trace:          trace,
		Dashboard:      dashboard,
		Authenticator:  s.authentication.authenticator,
		Audit:          auditAll,
		AuditFailure:   auditFailure,
		Impersonate:    impersonation.Filter(authorizer),
		Authorizer:     authorizer,
		RequestTimeout: o.Limits.RequestTimeout,
		FlowControl:    flowFilter(s.flow),
		MaxInFlight:    o.Limits.MaxInFlight, MaxMutatingInFlight: o.Limits.MaxMutatingInFlight,
	})...)
	s.dashboard.SetAPI(s.chain)
	s.authentication.api = client.New(s.chain, request.Server, "kube-apiserver")
	s.crds, err = crd.New(crd.Options{
		Registry: s.registry, Client: client.New(s.chain, request.Server, "kube-apiserver"), OpenAPI: documents,
		Clock: time.Now, Webhooks: webhooks, Forget: fields.Forget, Serves: o.Extension.ServesGroup,
	})
	if err != nil {
		return err
	}
	if err := s.crds.Install(s.ctx); err != nil {
		return err
	}
	s.registry.Loaded()
	s.addHooks()
	s.address = s.newAddress()
	s.http = server.New(server.Options{Handler: s.chain, TLS: s.serving.TLS(o.Serving.Protocols()...), MaxStreams: o.Serving.MaxStreams})
	return nil
}

// storageIsOpen is a health check: it fails once the engine has given up.
func (s *Server) storageIsOpen(ctx context.Context) error {
	from := storage.Prefix("", "namespaces")
	at := s.engine.Position().Revision
	if at == 0 {
		return nil
	}
	return s.engine.ListAt(ctx, at, from, storage.PrefixEnd(from), func(storage.Record) bool { return false })
}

// authorizeCreate asks whether a request that would create an object by an
// update may do so.
func authorizeCreate(a authz.Authorizer) func(ctx context.Context, r *request.Request, namespace, name string) error {
	return func(ctx context.Context, r *request.Request, namespace, name string) error {
		attributes := authz.FromRequest(r)
		attributes.Verb, attributes.Namespace, attributes.Name = "create", namespace, name
		decision, reason, err := a.Authorize(ctx, &attributes)
		switch {
		case decision == authz.Allow:
			return nil
		case err != nil:
			return apierrors.NewInternalError(err)
		}
		return authz.Forbidden(&attributes, reason)
	}
}

// bootstrap writes the objects that are missing. What a new server writes is no
// history that a client could want.
func (s *Server) bootstrap() error {
	prefix, err := s.options.Services.Prefix()
	if err != nil {
		return err
	}
	o := bootstrap.Options{Now: time.Now(), ServiceIPRange: prefix, Port: s.listeners.port()}
	for _, g := range s.registry.Table().Groups() {
		for _, v := range g.Versions {
			if !slices.ContainsFunc(v.Entries, func(e *registry.Entry) bool { return !e.Resource.Dynamic }) {
				continue // the aggregator registers custom resources
			}
			o.Versions = append(o.Versions, schema.GroupVersion{Group: g.Name, Version: v.Name})
		}
	}
	if err := bootstrap.Run(s.ctx, s.registry, o); err != nil || !s.fresh {
		return err
	}
	return s.registry.BeginHistory(s.ctx)
}
