//! Text in, result out: joins the stages, and loads modules.
