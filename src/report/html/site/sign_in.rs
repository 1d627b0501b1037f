//! The door.

use maud::html;

use super::{Frame, Here};

/// `to` is where the user wanted to go.
pub(crate) fn sign_in(frame: Frame, to: &str, was_wrong: bool) -> String {
    let main = html! {
        div.door {
            h1 { "Sign in" }
            p.dim { "This page shows people's names, so it needs the token of this service." }
            @if was_wrong { p.verdict.bad role="alert" { "The token is wrong." } }
            form action="/sign-in" method="post" {
                input type="hidden" name="to" value=(to);
                // For programs that keep passwords.
                input type="text" name="user" value="entrain" autocomplete="username" hidden;
                label for="token" { "Token" }
                input id="token" type="password" name="token" required autocomplete="current-password" autofocus maxlength="500"
                    aria-describedby="where";
                p.small.dim id="where" {
                    "It is the secret that token in [web] refers to, or, if that is not set, in a file \
                     next to the state, such as "
                    code { "entrain.db.web-token" } "; the service prints the path when it starts."
                }
                button type="submit" { "Sign in" }
            }
        }
    };
    frame.page("Sign in", Here::Nowhere, &main)
}
