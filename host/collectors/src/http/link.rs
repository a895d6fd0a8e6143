//! What a component imports: `wasi:http/types` and `wasi:http/outgoing-handler`, and nothing else of HTTP.
//!
//! The types are wasmtime's, but for one function that would keep any text of a guest's. The handler is our own,
//! because only here can a request end the call.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi_http::p2::bindings::LinkOptions;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{self, ErrorCode, HostOutgoingRequest as _, Method};
use wasmtime_wasi_http::p2::types::{HostFutureIncomingResponse, HostOutgoingRequest};
use wasmtime_wasi_http::{RequestOptions, WasiHttp};

use super::Http;

/// The version that wasmtime implements; a component that was built for another 0.2 finds it as well.
const TYPES: &str = "wasi:http/types@0.2.12";
const HANDLER: &str = "wasi:http/outgoing-handler@0.2.12";
const SET_METHOD: &str = "[method]outgoing-request.set-method";
/// The longest method, in bytes. Each request of a guest's keeps its own.
const MAX_METHOD: usize = 32;

/// Data of a store that has HTTP.
pub(crate) trait HttpView: Send {
    fn http(&mut self) -> HttpAccess<'_>;
}

/// What the imports work on.
pub(crate) struct HttpAccess<'a> {
    pub(crate) http: &'a mut Http,
    pub(crate) table: &'a mut ResourceTable,
}

/// Offers `wasi:http`. The interfaces that it needs (`wasi:io`, `wasi:clocks`) are linked by the caller.
///
/// # Errors
/// One of these interfaces is linked already.
pub(crate) fn add_to_linker<T: HttpView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let options = LinkOptions::default();
    types::add_to_linker::<T, WasiHttp>(linker, &(&options).into(), |data| {
        let HttpAccess { http, table } = data.http();
        http.view(table)
    })?;
    linker.instance(HANDLER)?.func_wrap("handle", |mut store: StoreContextMut<'_, T>, (request, options)| {
        Ok((store.data_mut().http().handle(request, options)?,))
    })?;
    linker.allow_shadowing(true);
    let set_method = |mut store: StoreContextMut<'_, T>, (request, method)| {
        Ok((store.data_mut().http().set_method(request, method)?,))
    };
    linker.instance(TYPES)?.func_wrap(SET_METHOD, set_method)?;
    linker.allow_shadowing(false);
    Ok(())
}

impl HttpAccess<'_> {
    /// Sends a request. An outer error ends the call.
    pub(super) fn handle(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> wasmtime::Result<Result<Resource<HostFutureIncomingResponse>, ErrorCode>> {
        self.http.gate.count()?;
        // A URI without a path would be refused with a line in the agent's log.
        self.table.get_mut(&request)?.path_with_query.get_or_insert_with(|| "/".to_owned());
        let handed_over = options.as_ref().map(Resource::rep);
        let handled = self.http.view(self.table).handle(request, options);
        if let Some(options) = handed_over {
            // The guest has given them away, and wasmtime leaves them where they are.
            self.table.delete(Resource::<RequestOptions>::new_own(options))?;
        }
        match handled {
            Ok(response) => Ok(Ok(response)),
            Err(e) => e.downcast().map(Err),
        }
    }

    fn set_method(
        &mut self,
        request: Resource<HostOutgoingRequest>,
        method: Method,
    ) -> wasmtime::Result<Result<(), ()>> {
        match &method {
            Method::Other(text) if text.len() > MAX_METHOD => Ok(Err(())),
            _ => self.http.view(self.table).set_method(request, method),
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime_wasi_http::WasiHttpCtxView;
    use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;

    use super::*;

    struct Data {
        http: Http,
        table: ResourceTable,
    }

    impl HttpView for Data {
        fn http(&mut self) -> HttpAccess<'_> {
            HttpAccess { http: &mut self.http, table: &mut self.table }
        }
    }

    fn linker() -> Linker<Data> {
        Linker::new(&crate::engine::compiling().unwrap())
    }

    #[test]
    fn it_goes_beside_the_rest_of_wasi() {
        struct Whole(Data, wasmtime_wasi::WasiCtx);
        impl HttpView for Whole {
            fn http(&mut self) -> HttpAccess<'_> {
                self.0.http()
            }
        }
        impl wasmtime_wasi::WasiView for Whole {
            fn ctx(&mut self) -> wasmtime_wasi::WasiCtxView<'_> {
                wasmtime_wasi::WasiCtxView { ctx: &mut self.1, table: &mut self.0.table }
            }
        }
        let mut linker = Linker::<Whole>::new(&crate::engine::compiling().unwrap());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        add_to_linker(&mut linker).unwrap();
    }

    #[test]
    fn the_names_are_those_of_wasmtime() {
        fn view(data: &mut Data) -> WasiHttpCtxView<'_> {
            data.http.view(&mut data.table)
        }
        let mut linker = linker();
        outgoing_handler::add_to_linker::<Data, WasiHttp>(&mut linker, view).unwrap();
        types::add_to_linker::<Data, WasiHttp>(&mut linker, &(&LinkOptions::default()).into(), view).unwrap();
        for (instance, function) in [(HANDLER, "handle"), (TYPES, SET_METHOD)] {
            let again = linker.instance(instance).unwrap().func_wrap(function, |_, (): ()| Ok(()));
            assert!(again.is_err(), "wasmtime has no `{function}` in `{instance}`");
        }
    }
}
