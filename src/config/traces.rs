//! The keys of traces.

use std::num::NonZeroU32;

use super::Reader;
use crate::limits;

impl Reader {
    pub(super) fn otlp_endpoint(&mut self) -> Option<String> {
        let endpoint = self.text("otlp_endpoint")?;
        let fits = endpoint.starts_with("http://")
            && tonic::transport::Endpoint::from_shared(endpoint.clone()).is_ok();
        if !fits {
            self.fault(
                "otlp_endpoint",
                (
                    "the address of a collector, such as http://127.0.0.1:4317",
                    "收集端的地址，如 http://127.0.0.1:4317",
                ),
            );
        }
        Some(endpoint)
    }

    pub(super) fn trace_one_in(&mut self) -> u32 {
        let (en, zh) =
            ("how many calls one is traced of, from 1 on", "每多少次调用追踪一次，至少为 1");
        let given = self.parsed::<NonZeroU32>("otlp_trace_one_in", (en, zh));
        given.map_or(limits::TRACE_ONE_IN, NonZeroU32::get)
    }
}
